import { expect, test } from 'vitest';
import { progressText } from './progress.ts';

test('a long step says how far it is, as far as that is known', () => {
  expect(progressText('writing it to disk')).toBe('writing it to disk');
  expect(progressText('copying', 3_400_000)).toBe('copying: 3 MB');
  expect(progressText('copying', 30_000_000, 120_000_000)).toBe('copying: 25 %, 30 MB of 120 MB');
  expect(progressText('copying', 130_000_000, 120_000_000)).toBe('copying: 99 %, 130 MB of 120 MB');
});
