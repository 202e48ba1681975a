import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from '../../../test/unit/spec-cases.ts';
import { derive, MODES, STORES } from './deployments.ts';

const EXAMPLES = ['active-passive', 'active-active', 'global'];
const textOf = (name: string) => readFileSync(new URL(`../../../examples/${name}.yaml`, import.meta.url), 'utf8');

describe('the deployments of the matrix', () => {
  it.each(EXAMPLES.flatMap((name) => MODES.flatMap((mode) => STORES.map((store) => ({ name, mode, store })))))(
    '$name, $mode, on $store: a valid file that says so',
    ({ name, mode, store }) => {
      const text = derive(textOf(name), mode, store);
      if (name === 'active-passive' && mode === 'semi-sync') return expect(text).toBeNull();
      const parsed = parse(text ?? '');
      if (!parsed.ok) throw new Error(parsed.error.map(({ message }) => message).join('\n'));
      const { replication, sites, regions } = parsed.value.deployment;
      expect(replication.mode).toBe(mode);
      expect([...sites, ...regions].filter((place) => place.store).length).toBe(store === 'etcd' ? 3 : 1);
    },
  );
});
