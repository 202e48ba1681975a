import { type Case, edit, THREE } from './spec-cases.ts';

/** `THREE` with a section `traffic` behind it, whose first line is line 9. */
const withTraffic = (...lines: readonly string[]): string =>
  `${THREE}traffic:\n${lines.map((line) => `  ${line}\n`).join('')}`;

/** E251x: what is wrong with the way to the regions. */
export const TRAFFIC: readonly Case[] = [
  {
    title: 'a certificate without its key',
    text: `${THREE}edge:\n  tls:\n    certificates:\n      - { cert: shop.pem }\n`,
    expect: ['E1003 12:11'],
    says: 'missing key "key" in edge.tls.certificates[0]',
  },
  {
    title: 'HTTPS without a certificate, and a word too many',
    text: `${THREE}edge:\n  tls: { certificates: [], port: 443 }\n`,
    expect: ['E1007 10:10', 'E1002 10:28'],
    says: 'unknown key "port"',
  },
  {
    title: 'traffic for a region that the file does not have',
    text: withTraffic('policies: [failover]', 'failover: { order: [aws:eu-west-2] }'),
    expect: ['E2511 11:23'],
    says: 'did you mean "aws:eu-west-1"?',
  },
  {
    title: 'an unknown place',
    text: withTraffic(
      'policies: [geolocation]',
      'geolocation: { rules: [{ places: [euorpe, UK], regions: [aws:eu-west-1] }] }',
    ),
    expect: ['E2512 11:37', 'E2512 11:45'],
    says: 'did you mean "europe"?',
  },
  {
    title: 'a fence of an unknown law',
    text: withTraffic('fences: [{ name: gdpr, users: [EU], within: EUU }]'),
    expect: ['E2512 10:47'],
  },
  {
    title: 'one place in two rules, one region twice in a list',
    text: withTraffic(
      'policies: [geolocation]',
      'geolocation:',
      '  rules:',
      '    - { places: [DE], regions: [aws:eu-west-1, aws:eu-west-1] }',
      '    - { places: [DE], regions: [aws:us-east-1] }',
    ),
    expect: ['E2513 13:50', 'E2513 14:20 +13:20'],
  },
  {
    title: 'policies behind one that decides everything',
    text: withTraffic('policies: [weighted, latency, weighted]'),
    expect: ['E2514 10:24', 'E2514 10:33'],
    says: 'put latency before weighted',
  },
  {
    title: 'weights that leave zero regions (I12)',
    text: edit(
      withTraffic('policies: [weighted]'),
      ['{ id: aws:us-east-1 }', '{ id: aws:us-east-1, weight: 0 }'],
      ['{ id: aws:eu-west-1 }', '{ id: aws:eu-west-1, weight: 0 }'],
      ['{ id: aws:ap-northeast-1 }', '{ id: aws:ap-northeast-1, weight: 0 }'],
    ),
    expect: ['E2515 5:40 +5:74 +5:113'],
    says: 'no user would be served anywhere',
  },
  {
    title: 'a fence that leaves its users no region (I11)',
    text: withTraffic('fences: [{ name: swiss, users: [CH], within: CH }]'),
    expect: ['E2515 10:48'],
    says: 'no active region of this file is in CH',
  },
  {
    title: 'a network with bits behind its length',
    text: withTraffic('geolocation: { networks: [{ network: 203.0.113.9/24, place: DE }] }'),
    expect: ['E2516 10:40'],
  },
  {
    title: 'static without regions',
    text: withTraffic('whenAllUnhealthy: static'),
    expect: ['E2517 10:21'],
  },
  {
    title: 'a check by TLS for no name',
    text: withTraffic('health: { address: { check: tls } }'),
    expect: ['E2518 10:13'],
    says: 'host: shop.example',
  },
  {
    title: 'a deep check without its path',
    text: withTraffic('health: { deep: { check: http } }'),
    expect: ['E2519 10:13'],
    says: 'path: /healthz/deep',
  },
  {
    title: 'a deep check that asks what the shallow one asks',
    text: `${withTraffic('health: { deep: { check: http, path: /healthz } }')}\napplication: { command: [node, app.mjs] }\n`,
    expect: ['E2520 10:40'],
    says: 'would take every region away',
  },
];
