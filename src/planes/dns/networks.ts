import { type Address, readAddress } from './network.ts';

/** Whether an address is in one of a few networks: `127.0.0.0/8`, `::1/128`. */
export function networksOf(networks: readonly string[]): (address: Address) => boolean {
  const all = networks.map((network) => {
    const [address = '', bits] = network.split('/');
    const { family, words } = readAddress(address);
    return { family, words, bits: bits === undefined ? (family === 4 ? 32 : 128) : Number(bits) };
  });
  return (address) =>
    all.some(
      ({ family, words, bits }) =>
        family === address.family &&
        words.every((word, i) => ((word ^ (address.words[i] ?? 0)) & maskOf(bits - 32 * i)) === 0),
    );
}

const maskOf = (bits: number): number => (bits <= 0 ? 0 : bits >= 32 ? -1 : -1 << (32 - bits));
