/** One JSON object a line on stderr. Fields never hold secrets. */
export interface Log {
  info(code: string, text: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(code: string, text: string, fields?: Readonly<Record<string, unknown>>): void;
}

export function createLog(who: string, write: (line: string) => void = (line) => void process.stderr.write(line)): Log {
  const line =
    (level: string) =>
    (code: string, text: string, fields: Readonly<Record<string, unknown>> = {}) =>
      write(`${JSON.stringify({ at: new Date().toISOString(), level, who, code, text, ...fields })}\n`);
  return { info: line('info'), warn: line('warn') };
}
