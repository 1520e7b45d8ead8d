// Who is signed in, and what they may do.
import { createContext, useContext } from 'react';
import type { Role, Session } from '../api/types';
import { readOnly } from '../api/http';

const order: Role[] = ['none', 'viewer', 'editor', 'admin'];
export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
	return useContext(SessionContext)!;
}

export function useMay(role: Role): boolean {
	const session = useContext(SessionContext);
	const has = readOnly ? 'viewer' : (session?.role ?? 'none');
	return order.indexOf(has) >= order.indexOf(role);
}
