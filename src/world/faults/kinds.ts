/** What this program can break. */
export interface FaultKind {
  readonly kind: string;
  readonly usage: string;
  readonly does: string;
}

const kind = (name: string, where: string, does: string): FaultKind => ({
  kind: name,
  usage: `${name}${where}`,
  does,
});

export const FAULT_KINDS: readonly FaultKind[] = [
  kind('crash', ' PLACE', 'SIGKILL to every process of a place or node, held down'),
  kind('blackhole', ' PLACE', 'the place lives on, cut off from everybody: bytes pause, connections stay open'),
  kind('freeze', ' PLACE', 'every process of a place or node stands still; goes on later'),
  kind('cut', ' full|store|replication PLACE', 'all links of a place, only its way to the store, or only replication'),
  kind('cut', ' pair|one-way FROM TO', 'two places do not see each other, or FROM can open nothing to TO'),
  kind('slow-link', ' FROM TO --delay 50ms', 'more delay in each direction'),
  kind('wedge', ' PLACE', 'commits hang, everything else answers: a stalled disk below the primary'),
  kind('slow-disk', ' PLACE [--delay 2s]', "every flush of a place's or node's PostgreSQL takes longer (needs strace)"),
  kind('disk-full', ' PLACE', "what a place's or node's PostgreSQL writes gets ENOSPC (needs strace)"),
  kind('clock-skew', ' PLACE [--by 1h]', "the wall clocks of a place's processes jump; PostgreSQL has the machine's"),
];
