/** A word of a configuration line: spaces, quotes and what HAProxy expands are made harmless. */
export const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** One argument of a converter. The line is taken apart first, then its arguments: this is the inner of the two. */
export const argument = (text: string): string => `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
