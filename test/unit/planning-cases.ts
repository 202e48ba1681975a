import { type Case, THREE } from './spec-cases.ts';

/** `THREE` with lines behind it; the first of them is line 9. */
const withLines = (...lines: readonly string[]): string => `${THREE}${lines.map((line) => `${line}\n`).join('')}`;

/** E26xx: where the users are, and what the planner may choose. */
export const PLANNING: readonly Case[] = [
  {
    title: 'a country by its English name',
    text: withLines('users: [{ country: Germany }]'),
    expect: ['E2601 9:20'],
    says: 'did you mean "DE" (Germany)?',
  },
  {
    title: 'the United Kingdom as people write it',
    text: withLines('users: [{ country: UK, share: 100 }]'),
    expect: ['E2601 9:20'],
    says: 'did you mean "GB"',
  },
  {
    title: 'shares that do not add up',
    text: withLines('users:', '  - { country: DE, share: 60 }', '  - { country: FR, share: 30 }'),
    expect: ['E2602 9:1'],
    says: 'with 40 in the last entry they would',
  },
  {
    title: 'a share for some of the users',
    text: withLines('users: [{ country: DE, share: 60 }, { country: FR }]'),
    expect: ['E2602 9:39'],
    says: 'give every entry its percent, or none',
  },
  {
    title: 'a country twice',
    text: withLines('users: [{ country: DE }, { country: DE }]'),
    expect: ['E2602 9:37 +9:20'],
    says: 'DE is listed twice',
  },
  {
    title: 'a place that is not on the globe',
    text: withLines('users: [{ country: DE, at: "95,13", share: 100 }]'),
    expect: ['E2606 9:28'],
    says: 'latitude -90 to 90',
  },
  {
    title: 'a place without a share',
    text: withLines('users: [{ country: DE, at: "52.52,13.40" }]'),
    expect: ['E2606 9:28'],
    says: 'give every entry its percent',
  },
  {
    title: 'a ban that bans nothing',
    text: withLines('plan: { ban: [aws:eu-wset-1] }'),
    expect: ['E2603 9:15'],
    says: 'did you mean "aws:eu-west-1"?',
  },
  {
    title: 'a region that is pinned and banned',
    text: withLines('plan: { pin: [aws:me-south-1], ban: ["aws:me-*"] }'),
    expect: ['E2604 9:15 +9:38'],
    says: 'remove one of the two',
  },
  {
    title: 'a pin of a provider that is not allowed',
    text: withLines('plan: { providers: [gcp], pin: [aws:eu-west-1] }'),
    expect: ['E2604 9:33 +9:9'],
    says: 'its provider is not allowed',
  },
  {
    title: 'a pin with a misspelt region',
    text: withLines('plan: { pin: [aws:eu-wset-1] }'),
    expect: ['E2001 9:15'],
    says: 'did you mean "aws:eu-west-1"?',
  },
  {
    title: 'fewer regions than at least',
    text: withLines('plan: { regions: { min: 4, max: 3 } }'),
    expect: ['E2605 9:25 +9:33'],
    says: 'at least 4 regions and at most 3',
  },
  {
    title: 'a first byte within what the server alone takes',
    text: withLines(
      'objectives: { latency: [{ within: 80ms, for: 90, metric: ttfb }] }',
      'plan: { firstByte: { server: 80ms } }',
    ),
    expect: ['E2607 9:35 +10:30'],
    says: 'more than 80ms, or a faster server',
  },
];
