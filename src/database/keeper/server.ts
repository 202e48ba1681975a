import { chmodSync, unlinkSync } from 'node:fs';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { messageOf } from '../../base/errors.ts';
import { type Outcome, refused, unreachable } from '../../base/result.ts';
import type { KeeperConfig, KeeperEvent, KeeperReply, KeeperRequest } from '../../ports/keeper.ts';
import { readJsonLines, writeJsonLine } from './json-lines.ts';
import { Supervisor, startReaper } from './supervisor.ts';

/** Enough for a fast stop to write its last checkpoint when the keeper itself is asked to end. */
const SHUTDOWN_GRACE_MS = 5_000;

/**
 * Runs a keeper until it gets SIGTERM or SIGINT. Clients come and go; PostgreSQL stays.
 * Throws when another keeper answers on the socket.
 */
export async function runKeeper(config: KeeperConfig): Promise<void> {
  const clients = new Set<Socket>();
  const supervisor = new Supervisor(config, () => {
    const event: KeeperEvent = { event: 'postgres-exit', status: supervisor.status() };
    for (const client of clients) writeJsonLine(client, event);
  });
  const server = createServer((socket) => {
    clients.add(socket);
    socket.on('close', () => clients.delete(socket));
    // A client that dies while it is written to is no concern of PostgreSQL.
    socket.on('error', () => socket.destroy());
    readJsonLines(socket, (value) => void answer(supervisor, value).then((reply) => writeJsonLine(socket, reply)));
  });
  await listen(server, config.socketPath);
  const reaper = startReaper(config.dataDir);
  reaper.on('error', (error) => process.stderr.write(`keeper: no reaper: ${error.message}\n`));

  const end = async (): Promise<void> => {
    const ended = await supervisor.stop('fast', SHUTDOWN_GRACE_MS);
    process.exit(ended.kind === 'done' ? 0 : 1);
  };
  process.once('SIGTERM', () => void end());
  process.once('SIGINT', () => void end());
}

async function answer(supervisor: Supervisor, value: unknown): Promise<KeeperReply> {
  const request = value as KeeperRequest;
  try {
    return reply(request.id, supervisor, await carryOut(supervisor, request));
  } catch (error) {
    return { id: request.id, ok: false, code: 'failed', why: messageOf(error) };
  }
}

async function carryOut(supervisor: Supervisor, request: KeeperRequest): Promise<Outcome<string | undefined>> {
  switch (request.do) {
    case 'status':
      return { kind: 'done', value: undefined };
    case 'start':
      return supervisor.start();
    case 'stop':
      return supervisor.stop(request.how, request.graceMs);
    case 'deadline':
      return supervisor.setDeadline(request.epoch, request.deadlineMs, request.ahead ?? null);
    default:
      return refused('unknown-request', JSON.stringify(request satisfies never));
  }
}

function reply(id: number, supervisor: Supervisor, outcome: Outcome<string | undefined>): KeeperReply {
  switch (outcome.kind) {
    case 'done': {
      const evidence = outcome.value === undefined ? {} : { evidence: outcome.value };
      return { id, ok: true, status: supervisor.status(), ...evidence };
    }
    case 'refused':
      return { id, ok: false, code: outcome.code, why: outcome.why };
    case 'unknown':
      return { id, ok: false, code: 'unknown', why: outcome.why };
    default:
      return unreachable(outcome);
  }
}

/** A socket file without a listener is left over and replaced; one that answers belongs to a keeper that lives. */
async function listen(server: Server, path: string): Promise<void> {
  if (await answers(path)) throw new Error(`another keeper is alive on ${path}`);
  try {
    unlinkSync(path);
  } catch {
    // Nothing was there.
  }
  const mask = process.umask(0o177);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  }).finally(() => process.umask(mask));
  chmodSync(path, 0o600);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
