/** What a long step is doing, with how far it is where that is known. The total is what the upstream estimated; it may grow. */
export function progressText(text: string, doneBytes?: number, totalBytes?: number): string {
  if (doneBytes === undefined) return text;
  const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
  if (totalBytes === undefined || totalBytes === 0) return `${text}: ${megabytes(doneBytes)}`;
  const percent = Math.min(99, Math.floor((100 * doneBytes) / totalBytes));
  return `${text}: ${percent} %, ${megabytes(doneBytes)} of ${megabytes(totalBytes)}`;
}
