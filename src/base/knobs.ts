/** Default, bounds and a hostile value for the simulator, one row each. Milliseconds unless the name says otherwise. */
interface Knob {
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly hostile: number;
}

export const KNOBS = {
  /** How often an agent looks at its PostgreSQL and decides, besides at every event. */
  tickMs: { value: 100, min: 20, max: 5_000, hostile: 20 },
  pulseEveryMs: { value: 100, min: 20, max: 5_000, hostile: 1_000 },
  heartbeatEveryMs: { value: 200, min: 50, max: 10_000, hostile: 5_000 },
  /** A pulse stream that broke and could not be opened again for this long: the observer cannot see the primary commit. */
  brokenAfterMs: { value: 150, min: 50, max: 10_000, hostile: 50 },
  /** A pulse stream that is silent, not broken: must exceed the pause that is tolerated (1 s). */
  silentAfterMs: { value: 1_300, min: 200, max: 60_000, hostile: 200 },
  /** Pulses arrive, commits do not: longer than eviction takes, or the loss of a standby would end a healthy primary. */
  wedgedAfterMs: { value: 6_000, min: 500, max: 120_000, hostile: 500 },
  /** A member gone longer than this is evicted from the sync set (P4.4). */
  evictAfterMs: { value: 2_000, min: 200, max: 600_000, hostile: 200 },
  /** A negative verdict is repeated this often, and forgotten by others after three times as long. */
  verdictEveryMs: { value: 1_000, min: 100, max: 60_000, hostile: 100 },
  /** A driver of lower rank waits this long for each better one. */
  driverStaggerMs: { value: 200, min: 0, max: 10_000, hostile: 0 },
  /** A takeover whose driver is alive may take this long before another begins a new one. */
  takeoverPatienceMs: { value: 8_000, min: 500, max: 120_000, hostile: 500 },
  leaseTtlMs: { value: 3_000, min: 2_000, max: 120_000, hostile: 2_000 },
  storeCallTimeoutMs: { value: 2_000, min: 100, max: 60_000, hostile: 100 },
  orderTimeoutMs: { value: 5_000, min: 100, max: 60_000, hostile: 100 },
  barrierTimeoutMs: { value: 5_000, min: 100, max: 60_000, hostile: 100 },
} as const satisfies Record<string, Knob>;

export type KnobName = keyof typeof KNOBS;
/** The knobs with their defaults, as plain numbers. */
export type Knobs = { readonly [K in KnobName]: number };
export const defaultKnobs = (): Knobs =>
  Object.fromEntries(Object.entries(KNOBS).map(([name, knob]) => [name, knob.value])) as Knobs;
