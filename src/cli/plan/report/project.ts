import type { Point } from '../../../facts/geo.ts';
import { LAND } from './land.ts';

/** A window on the globe, drawn `WIDTH` wide: longitude shrinks with the latitude of its middle. */
export interface Projection {
  readonly height: number;
  readonly x: (point: Point) => number;
  readonly y: (point: Point) => number;
}

export const WIDTH = 720;
const LEAST_HEIGHT = 300;
const MOST_HEIGHT = 430;
/** A map of one city still shows the coast around it. */
const LEAST_DEGREES = 16;

const tenth = (value: number): number => Math.round(value * 10) / 10;

/** The smallest window that holds all points with air around them. */
export function projectionOf(points: readonly Point[]): Projection {
  const [lats, lons] = [points.map(({ lat }) => lat), points.map(({ lon }) => lon)];
  const span = (list: readonly number[], most: number): { middle: number; size: number } => {
    const [low, high] = [Math.min(...list), Math.max(...list)];
    return { middle: (low + high) / 2, size: Math.min(most, Math.max(LEAST_DEGREES, (high - low) * 1.16)) };
  };
  const [lat, lon] = [span(lats, 150), span(lons, 360)];
  const shrink = Math.max(0.3, Math.cos((lat.middle * Math.PI) / 180));
  const scale = Math.min(WIDTH / (lon.size * shrink), MOST_HEIGHT / lat.size);
  const height = Math.round(Math.min(MOST_HEIGHT, Math.max(LEAST_HEIGHT, lat.size * scale)));
  return {
    height,
    x: (point) => tenth(WIDTH / 2 + (point.lon - lon.middle) * shrink * scale),
    y: (point) => tenth(height / 2 - (point.lat - lat.middle) * scale),
  };
}

/** The land as one path. A ring that crosses the date line goes on beyond 180 degrees, and is drawn on the other side too. */
export function landPath(to: Projection): string {
  return LAND.map((ring) => {
    const points = pointsOf(ring);
    const [low, high] = [Math.min(...points.map(({ lon }) => lon)), Math.max(...points.map(({ lon }) => lon))];
    const turns = [0, ...(high > 180 ? [-360] : []), ...(low < -180 ? [360] : [])];
    return turns.map((turn) => ringPath(points, turn, to)).join('');
  }).join('');
}

const ringPath = (points: readonly Point[], turn: number, { x, y }: Projection): string =>
  `M${points.map(({ lat, lon }) => `${x({ lat, lon: lon + turn })} ${y({ lat, lon })}`).join('L')}Z`;

function pointsOf(ring: string): readonly Point[] {
  const steps = ring.split(' ').map(Number);
  const points: Point[] = [];
  let [lon, lat] = [0, 0];
  for (let i = 0; i + 1 < steps.length; i += 2) {
    const step = steps[i] ?? 0;
    // The first is a place; of the others, half a turn and more is the date line.
    lon += (i > 0 && Math.abs(step) > 1_800 ? step - 3_600 * Math.sign(step) : step) / 10;
    lat += (steps[i + 1] ?? 0) / 10;
    points.push({ lat, lon });
  }
  return points;
}

const STEPS = 40;

/** The great circle between two points as a path; it is broken where it leaves the map on one side and comes back on the other. */
export function circlePath(
  a: Point,
  b: Point,
  { x, y }: Projection,
): { readonly path: string; readonly middle: Point } {
  const points = Array.from({ length: STEPS + 1 }, (_, i) => between(a, b, i / STEPS));
  let path = '';
  for (const [i, point] of points.entries()) {
    const before = points[i - 1];
    const isJump = before === undefined || Math.abs(before.lon - point.lon) > 180;
    path += `${isJump ? 'M' : 'L'}${x(point)} ${y(point)}`;
  }
  return { path, middle: between(a, b, 0.5) };
}

/** The point a share of the way along the great circle. */
function between(a: Point, b: Point, share: number): Point {
  const [from, to] = [vectorOf(a), vectorOf(b)];
  const dot = Math.min(1, Math.max(-1, from[0] * to[0] + from[1] * to[1] + from[2] * to[2]));
  const angle = Math.acos(dot);
  if (angle < 1e-6) return a;
  const [u, v] = [Math.sin((1 - share) * angle) / Math.sin(angle), Math.sin(share * angle) / Math.sin(angle)];
  const [x, y, z] = [u * from[0] + v * to[0], u * from[1] + v * to[1], u * from[2] + v * to[2]];
  return { lat: (Math.atan2(z, Math.hypot(x, y)) * 180) / Math.PI, lon: (Math.atan2(y, x) * 180) / Math.PI };
}

function vectorOf({ lat, lon }: Point): readonly [number, number, number] {
  const [phi, lambda] = [(lat * Math.PI) / 180, (lon * Math.PI) / 180];
  return [Math.cos(phi) * Math.cos(lambda), Math.cos(phi) * Math.sin(lambda), Math.sin(phi)];
}
