import type { Clock } from '../../base/clock.ts';
import type { DnsLimits } from './limits.ts';
import type { RateLimiter } from './rate-limit.ts';
import type { Responder } from './respond.ts';
import { TcpDoor } from './tcp.ts';
import { UdpDoor } from './udp.ts';

export interface DoorsOptions {
  /** Port 0: any that is free, the same for UDP and TCP. */
  readonly listen: readonly { readonly host: string; readonly port: number }[];
  readonly responder: Responder;
  readonly limiter: RateLimiter;
  readonly limits: DnsLimits;
  readonly clock: Clock;
}

export interface DoorCounters {
  readonly udp: Readonly<UdpDoor['counters']>;
  readonly tcp: Readonly<TcpDoor['counters']>;
  readonly tcpOpen: number;
}

export interface Doors {
  /** Of each address in `listen`. */
  readonly ports: readonly number[];
  readonly counters: () => DoorCounters;
  readonly close: () => Promise<void>;
}

/**
 * Opens UDP and TCP at every address; either all of them or none.
 * @throws FarshoreError FSH_PORT_IN_USE
 */
export async function openDoors({ listen, responder, limiter, limits, clock }: DoorsOptions): Promise<Doors> {
  const udps: UdpDoor[] = [];
  const tcps: TcpDoor[] = [];
  const close = async (): Promise<void> => {
    await Promise.all([...udps, ...tcps].map((door) => door.close()));
  };
  try {
    for (const { host, port } of listen) {
      const udp = new UdpDoor(host, responder, limiter, limits, () => clock.nowMs());
      udps.push(udp);
      await udp.listen(host, port);
      const tcp = new TcpDoor(responder, limits, clock);
      tcps.push(tcp);
      await tcp.listen(host, udp.port);
    }
  } catch (error) {
    await close();
    throw error;
  }
  const sum = <C extends object>(all: readonly C[]): C => {
    const total: Record<string, number> = {};
    for (const counters of all)
      for (const [name, count] of Object.entries(counters)) total[name] = (total[name] ?? 0) + Number(count);
    return total as C;
  };
  return {
    ports: udps.map((door) => door.port),
    counters: () => ({
      udp: sum(udps.map((door) => door.counters)),
      tcp: sum(tcps.map((door) => door.counters)),
      tcpOpen: tcps.reduce((all, door) => all + door.open, 0),
    }),
    close,
  };
}
