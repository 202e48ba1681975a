/** The engine's keys are byte strings (one character per byte), so that text order is the byte order of etcd. */
export const toBytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
export const fromBytes = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('utf8');
