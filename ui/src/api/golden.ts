// The C tests compare the routes' answers with these files, the compiler compares them with our types: neither side drifts.
import health from '../../../tests/golden/ui/health.json';
import histogram from '../../../tests/golden/ui/histogram.json';
import inference from '../../../tests/golden/ui/inference.json';
import failed from '../../../tests/golden/ui/inference_failed.json';
import fallback from '../../../tests/golden/ui/inference_fallback.json';
import logs from '../../../tests/golden/ui/logs.json';
import models from '../../../tests/golden/ui/models.json';
import overview from '../../../tests/golden/ui/overview.json';
import session from '../../../tests/golden/ui/session.json';
import signers from '../../../tests/golden/ui/signers.json';
import type { Detail, Health, Histogram, Models, OverviewData, Page, Session, SignerInfo } from './types';

/** What a JSON file can say of a type: its words are any words. */
type Said<T> = T extends string ? string : T extends (infer U)[] ? Said<U>[] : T extends object ? { [K in keyof T]: Said<T[K]> } : T;

// (The file of the overview has every figure as a list, those of its totals too.)
export const golden: [Said<Health>, Said<Histogram>, Said<Detail>, Said<Detail>, Said<Detail>, Said<Page>, Said<Models>, Said<Omit<OverviewData, 'total' | 'before'>>, Said<Session>, { signers: Said<SignerInfo>[] }] = [
	health, histogram, inference, failed, fallback, logs, models, overview, session, signers,
];
