/** Why something was decided, or not done: a stable code for tests and metrics, a sentence for people. */
export interface Reason {
  readonly code: string;
  readonly text: string;
}
export const because = (code: string, text: string): Reason => ({ code, text });
