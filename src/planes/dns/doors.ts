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

interface Pair {
  readonly udp: UdpDoor;
  readonly tcp: TcpDoor;
}

const OTHER_PORTS_TRIED = 20;

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
  /** Of port 0 the kernel chooses UDP's; where TCP's of the same number is somebody's, it chooses again. */
  const openPair = async (host: string, port: number, triesLeft = OTHER_PORTS_TRIED): Promise<Pair> => {
    const udp = new UdpDoor(host, responder, limiter, limits, () => clock.nowMs());
    const tcp = new TcpDoor(responder, limits, clock);
    try {
      await udp.listen(host, port);
      await tcp.listen(host, udp.port);
      return { udp, tcp };
    } catch (error) {
      await Promise.all([udp.close(), tcp.close()]);
      if (port !== 0 || triesLeft === 0) throw error;
      return openPair(host, port, triesLeft - 1);
    }
  };
  try {
    for (const { host, port } of listen) {
      const { udp, tcp } = await openPair(host, port);
      udps.push(udp);
      tcps.push(tcp);
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
