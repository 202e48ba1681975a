/** `npm run verify` sets it: the rows of the long matrix run too (HACKING.md). */
const isLong = process.env['FARSHORE_LONG'] === '1';

/**
 * Rows of a table of tests that only `npm run verify` runs. A row may stand here when a sibling in the same table, which `npm test`
 * runs, proves the same by the same code: another version, example or kind. Say beside it which one that is.
 */
export const inVerify = <T>(...rows: readonly T[]): readonly T[] => (isLong ? rows : []);

/** How often a property is drawn: a part of it everywhere, all of it in `npm run verify`. With a seed the part begins the whole. */
export const draws = (everywhere: number, inAll: number): number => (isLong ? inAll : everywhere);
