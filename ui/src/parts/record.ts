// What the record keeps.
import { useQuery } from '@tanstack/react-query';
import { getHealth } from '../api/routes';

/** All rows are in ClickHouse, which keeps no request that failed: nobody knows a rate of errors. */
export function useAnswersOnly(): boolean {
	const { data } = useQuery({ queryKey: ['health'], queryFn: ({ signal }) => getHealth(signal), retry: false });
	return data?.record.answers_only ?? false;
}
