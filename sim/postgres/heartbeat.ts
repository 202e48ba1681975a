import { done, type Outcome, refused, unknown } from '../../src/base/result.ts';
import type { Heartbeat } from '../../src/ports/database.ts';
import type { Process } from '../clock.ts';
import type { Statements } from './statements.ts';

/** Commits one heartbeat row as an application would. */
export function beat(to: Statements, caller: Process): Promise<Outcome<Heartbeat>> {
  return to.guarded(async () => {
    const sentAtMs = caller.nowMs();
    const ended = await to.query('heartbeat', (server) => {
      if (server.state !== 'primary') return null;
      const seq = (server.beat?.seq ?? 0) + 1;
      const what = { kind: 'beat', seq, wallMs: caller.wallMs() } as const;
      return new Promise<Outcome<Heartbeat>>((resolve) => {
        server.commit(what, true, (how) =>
          caller.deliver(() =>
            resolve(
              how === 'committed'
                ? done({ seq, sentAtMs })
                : how === 'cancelled'
                  ? refused('sync-wait-cancelled', 'committed here, but nobody confirmed it')
                  : unknown('the connection was lost'),
            ),
          ),
        );
      });
    });
    return ended === null ? refused('25006', 'a standby takes no writes') : ended;
  });
}
