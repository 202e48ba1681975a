/** One thing seen about one node at one instant, from its agent's pulse. */
export interface PrimarySample {
  readonly node: string;
  readonly atMs: number;
  readonly role: 'primary' | 'standby' | 'none' | 'observer';
  readonly epoch: number;
  /** Acted as primary with its gateway open under this epoch. */
  readonly openPrimary: boolean;
}

/** What is needed to say who was primary: from a pulse, or from the epoch stored in a PostgreSQL. */
type Claim = Pick<PrimarySample, 'node' | 'epoch' | 'openPrimary'>;

export interface PrimariesByEpoch {
  readonly epochs: readonly { readonly epoch: number; readonly nodes: readonly string[] }[];
  /** Epochs with more than one node: I1 broken. */
  readonly contested: readonly number[];
}

/** Which nodes acted as open primary under each epoch. At most one may (I1). */
export function primariesByEpoch(samples: readonly Claim[]): PrimariesByEpoch {
  const nodes = new Map<number, Set<string>>();
  for (const sample of samples) {
    if (!sample.openPrimary) continue;
    nodes.set(sample.epoch, (nodes.get(sample.epoch) ?? new Set()).add(sample.node));
  }
  const epochs = [...nodes]
    .map(([epoch, names]) => ({ epoch, nodes: [...names].toSorted() }))
    .toSorted((a, b) => a.epoch - b.epoch);
  return { epochs, contested: epochs.filter((entry) => entry.nodes.length > 1).map((entry) => entry.epoch) };
}
