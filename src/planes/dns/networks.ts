import { type Address, maskOf, parseNetwork } from '../../base/address.ts';

/** Whether an address is in one of a few networks: `127.0.0.0/8`, `::1`. What is no network is left out. */
export function networksOf(networks: readonly string[]): (address: Address) => boolean {
  const all = networks.map(parseNetwork).filter((network) => network !== null);
  return ({ family, words }) =>
    all.some(
      ({ address, length }) =>
        address.family === family &&
        address.words.every((word, i) => ((word ^ (words[i] ?? 0)) & maskOf(length - 32 * i)) === 0),
    );
}
