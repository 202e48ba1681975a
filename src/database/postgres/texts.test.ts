import { describe, expect, test } from 'vitest';
import { nodeId, placeId } from '../../base/ids.ts';
import type { PostgresConfig } from '../../ports/config.ts';
import { judge } from './compare.ts';
import { parseConninfo, renderConninfo } from './conninfo.ts';
import { parseHistory } from './identify.ts';
import { memberSlot } from './member-slots.ts';
import { scramVerifier } from './scram.ts';
import { explainFailedStart } from './server-log.ts';
import { withoutInherited } from './settings.ts';

const node = nodeId(placeId('aws:eu-west-1'), 'n1');
const config: PostgresConfig = {
  group: 'main',
  node,
  members: [node],
  dataDir: '/d',
  runDir: "/run/it's here",
  host: '127.0.0.1',
  port: 5432,
  binDir: '/b',
  libDir: null,
  logPath: '/l',
  keeperSocketPath: '/k',
  runAs: null,
  secretsPath: '/s',
};

test('each member has a slot of its own, in words that PostgreSQL takes, however long its id is', () => {
  expect(memberSlot(node)).toBe('farshore_member_aws_eu_west_1_n1');
  const long = (end: string) => nodeId(placeId(`azure:${'a-very-long-name-of-a-region-'.repeat(3)}${end}`), 'n1');
  for (const each of [long('1'), long('2')]) expect(memberSlot(each)).toMatch(/^[a-z0-9_]{1,63}$/);
  expect(memberSlot(long('1'))).not.toBe(memberSlot(long('2')));
});

describe('primary_conninfo', () => {
  const upstream = { node: nodeId(placeId('azure:westeurope'), 'n2'), epoch: 7, host: '127.0.0.1', port: 6000 };

  test('says whom it follows and under which epoch', () => {
    expect(parseConninfo(renderConninfo(config, upstream))).toEqual({ node: upstream.node, epoch: 7 });
  });

  test('holds no password, and quotes the path of the file that does', () => {
    const text = renderConninfo(config, upstream);
    expect(text).not.toMatch(/\bpassword=/);
    expect(text).toContain(`passfile='/run/it\\'s here/replication.pgpass'`);
    expect(text).toContain(`application_name='main-aws-eu-west-1-n1-e7'`);
  });

  test("empty or somebody else's names nobody", () => {
    expect(parseConninfo('')).toBeNull();
    expect(parseConninfo('host=elsewhere user=x application_name=y')).toBeNull();
  });
});

test('postgresql.auto.conf loses what belongs to one reign and keeps the rest (P8.4)', () => {
  const before = `# header
work_mem = '8MB'
synchronous_standby_names = 'ANY 1 (x)'
Primary_Conninfo='host=a'
primary_slot_name = 's'
`;
  expect(withoutInherited(before)).toBe(`# header\nwork_mem = '8MB'\n`);
});

test('a SCRAM verifier for the example of RFC 7677 verifies its client proof', () => {
  // Keys of RFC 7677 section 3: user "user", password "pencil".
  const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
  expect(scramVerifier('pencil', salt)).toBe(
    'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
  );
});

describe('rejoin (P8.2)', () => {
  const history = parseHistory(
    '1\t0/4049C60\tno recovery target specified\n\n2\t0/50000A0\tno recovery target specified\n',
  );
  const there = { systemId: '1', timeline: 3, lsn: '0/6000000' };
  const verdict = (timeline: number, lsn: string, systemId = '1') =>
    judge({ systemId, timeline, lsn }, there, history).verdict;

  test('history lines', () => {
    expect(history).toEqual([
      { timeline: 1, lsn: '0/4049C60' },
      { timeline: 2, lsn: '0/50000A0' },
    ]);
  });
  test('an ancestor up to its fork follows; one byte more is diverged', () => {
    expect(verdict(1, '0/4049C60')).toBe('same-branch');
    expect(verdict(1, '0/4049C61')).toBe('diverged');
    expect(verdict(2, '0/50000A0')).toBe('same-branch');
    expect(verdict(2, '0/50000A1')).toBe('diverged');
  });
  test('the same timeline: not ahead of the upstream', () => {
    expect(verdict(3, '0/6000000')).toBe('same-branch');
    expect(verdict(3, '0/6000001')).toBe('diverged');
  });
  test('a timeline that the upstream does not come from is diverged, whatever its position', () => {
    expect(verdict(4, '0/1')).toBe('diverged');
    expect(judge({ systemId: '1', timeline: 2, lsn: '0/1' }, there, [{ timeline: 1, lsn: '0/9' }]).verdict).toBe(
      'diverged',
    );
  });
  test('another system is foreign', () => {
    expect(verdict(3, '0/1', '2')).toBe('foreign');
  });
});

describe('why PostgreSQL did not start', () => {
  test.each([
    ['FATAL:  could not create any TCP/IP sockets', 'FSH_PORT_IN_USE'],
    ['FATAL:  could not write to file "pg_wal/xlogtemp.1": No space left on device', 'FSH_DISK_FULL'],
    ['PANIC:  could not locate a valid checkpoint record at 0/3000028', 'FSH_DATA_CORRUPT'],
    ['FATAL:  incorrect checksum in control file', 'FSH_DATA_CORRUPT'],
    ['FATAL:  data directory "/d" has invalid permissions', 'FSH_NO_PERMISSION'],
    ['FATAL:  database files are incompatible with server', 'FSH_DATA_CORRUPT'],
    ['FATAL:  configuration file "/d/postgresql.conf" contains errors', 'FSH_FAILED'],
  ])('%s', (line, code) => {
    const log = `2026-01-01 00:00:00 UTC [1] LOG:  starting\n2026-01-01 00:00:00 UTC [1] ${line}\n`;
    expect(explainFailedStart(log)).toEqual({ code, why: line });
  });
  test('nothing in the log is said so', () => {
    expect(explainFailedStart('').why).toContain('without a word');
  });
});
