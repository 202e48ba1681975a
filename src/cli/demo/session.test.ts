import { describe, expect, it } from 'vitest';
import { placeId } from '../../base/ids.ts';
import { regionNamed } from '../region-named.ts';
import { unknownCommand } from './session.ts';

const places = [
  { id: placeId('aws:eu-west-1'), data: true },
  { id: placeId('aws:us-east-1'), data: true },
  { id: placeId('aws:eu-north-1'), data: false },
];

describe('what is typed in the demo', () => {
  it('finds a region with and without its provider', () => {
    expect(regionNamed(places, 'aws:us-east-1')).toBe('aws:us-east-1');
    expect(regionNamed(places, 'us-east-1')).toBe('aws:us-east-1');
  });

  it('says that a site is a site', () => {
    for (const word of ['aws:eu-north-1', 'eu-north-1'])
      expect(() => regionNamed(places, word)).toThrow(
        'aws:eu-north-1 is a site, not a region: it holds no data and cannot be killed here; regions are aws:eu-west-1, aws:us-east-1',
      );
  });

  it('names the region that was probably meant', () => {
    expect(() => regionNamed(places, 'us-eest-1')).toThrow('did you mean aws:us-east-1?');
    expect(() => regionNamed(places, undefined)).toThrow('one of aws:eu-west-1, aws:us-east-1');
  });

  it('names the command that was probably meant', () => {
    expect(unknownCommand('kil')).toBe('there is no "kil" here; did you mean "kill"?');
    expect(unknownCommand('stauts')).toBe('there is no "stauts" here; did you mean "status"?');
    expect(unknownCommand('xyzzy')).toMatch(/kill, release/);
  });
});
