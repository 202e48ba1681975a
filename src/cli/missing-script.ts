import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Deployment } from '../spec/deployment.ts';

const SCRIPT = /\.(?:[cm]?[jt]s|py|rb|php|pl|sh|jar)$/;

/**
 * What to say when `application.command` starts a script that is not there; null when it is, or when none is named. The command
 * runs in the folder of the deployment file. The file may be built later, so this stops nothing.
 */
export function missingScript({ application }: Pick<Deployment, 'application'>, specPath: string): string | null {
  const script = application?.command.find((word) => SCRIPT.test(word) && !word.startsWith('-'));
  if (script === undefined) return null;
  const path = resolve(dirname(specPath), script);
  if (existsSync(path)) return null;
  return `application.command names ${script}, and there is no file ${path}: the application will not start`;
}
