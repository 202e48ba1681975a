import { type ClientRequest, request } from 'node:http';
import type { Pulse } from '../ports/agent.ts';
import { HOST } from '../world/layout.ts';
import { monotonicMs } from './monotonic.ts';

export interface AgentDoor {
  readonly node: string;
  readonly port: number;
  readonly token: string;
}

const REOPEN_AFTER_MS = 200;

/** Listens to one agent's pulses, opening the stream again when it breaks. Returns a function that ends it. */
export function listenToPulses(door: AgentDoor, onPulse: (pulse: Pulse, atMs: number) => void): () => void {
  let over = false;
  let call: ClientRequest | null = null;
  let again: NodeJS.Timeout | null = null;
  const open = (): void => {
    if (over) return;
    let broken = false;
    const reopen = (): void => {
      if (broken) return;
      broken = true;
      again = setTimeout(open, REOPEN_AFTER_MS);
    };
    let tail = '';
    call = request({ host: HOST, port: door.port, path: '/pulse', headers: bearer(door) }, (response) => {
      response.on('close', reopen);
      response.on('error', reopen);
      // An agent that begins, or another token: its words are no pulses, and the next try may be better.
      if (response.statusCode !== 200) return void response.resume();
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        const lines = `${tail}${chunk}`.split('\n');
        tail = lines.pop() ?? '';
        const pulses = lines.filter((line) => line !== '').map(parsePulse);
        // A throw in here would end the drill in the middle of its fault. What is no pulse is silence, which the drill judges.
        if (pulses.includes(null)) response.destroy();
        for (const pulse of pulses) if (pulse !== null) onPulse(pulse, monotonicMs());
      });
    });
    call.on('error', reopen);
    call.end();
  };
  open();
  return () => {
    over = true;
    if (again !== null) clearTimeout(again);
    call?.destroy();
  };
}

function parsePulse(line: string): Pulse | null {
  try {
    const parsed: unknown = JSON.parse(line);
    return typeof parsed === 'object' && parsed !== null && 'node' in parsed ? (parsed as Pulse) : null;
  } catch {
    return null;
  }
}

const bearer = (door: AgentDoor) => ({ authorization: `Bearer ${door.token}` });
