import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { GatewayPreface, GatewayPrefaceAnswer } from '../../ports/gateway.ts';

/**
 * What two gateways say to each other before PostgreSQL's own protocol begins: one line each way. The asking side sends
 * the client's StartupMessage right behind its line, so that connecting costs no extra round trip.
 */
export const MAX_PREFACE_BYTES = 2_048;

const prefaceSchema = z.strictObject({
  farshore: z.literal(1),
  token: z.string(),
  want: z.enum(['rw', 'ro', 'cancel', 'hello']),
  epoch: z.number().int().nonnegative(),
  leftMs: z.number().nullable(),
}) satisfies z.ZodType<GatewayPreface>;
export type Preface = GatewayPreface;

const answerSchema = z.strictObject({
  farshore: z.literal(1),
  ok: z.boolean(),
  epoch: z.number().int().nonnegative(),
  leftMs: z.number().nullable(),
  why: z.string(),
}) satisfies z.ZodType<GatewayPrefaceAnswer>;
export type PrefaceAnswer = GatewayPrefaceAnswer;

export const encodeLine = (line: Preface | PrefaceAnswer): Buffer => Buffer.from(`${JSON.stringify(line)}\n`);

/** Finds a line at the start of what has arrived. */
export function takeLine(bytes: Buffer): { readonly value: string; readonly used: number } | null {
  const end = bytes.indexOf(0x0a);
  return end < 0 ? null : { value: bytes.toString('utf8', 0, end), used: end + 1 };
}

/** Null when the line is no preface. */
export const parsePreface = (line: string): Preface | null => parse(prefaceSchema, line);
export const parseAnswer = (line: string): PrefaceAnswer | null => parse(answerSchema, line);

function parse<T>(schema: z.ZodType<T>, line: string): T | null {
  try {
    const result = schema.safeParse(JSON.parse(line));
    return result.success ? result.data : null;
  } catch {
    return null;
  }
}

/** Compares without telling by its duration where the difference is. */
export function sameToken(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
