/** A place on the globe, in degrees. */
export interface Point {
  readonly lat: number;
  readonly lon: number;
}

/** `52.52,13.40`: latitude and longitude in degrees. Null: it is not that, or not on the globe. */
export function pointOfText(text: string): Point | null {
  const [, lat, lon] = /^\s*(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)\s*$/.exec(text) ?? [];
  const point = { lat: Number(lat), lon: Number(lon) };
  return Math.abs(point.lat) <= 90 && Math.abs(point.lon) <= 180 ? point : null;
}

const EARTH_RADIUS_KM = 6371.0088;
/** Light in fibre goes 204,190 km a second: half the round trip's kilometres per millisecond. */
const FIBRE_KM_PER_RTT_MS = 102.095;

/** Great-circle distance in kilometres (haversine on the mean sphere: within 0.6 % of the ellipsoid). */
export function distanceKm(a: Point, b: Point): number {
  const radians = Math.PI / 180;
  const halfLat = ((b.lat - a.lat) * radians) / 2;
  const halfLon = ((b.lon - a.lon) * radians) / 2;
  const h = Math.sin(halfLat) ** 2 + Math.cos(a.lat * radians) * Math.cos(b.lat * radians) * Math.sin(halfLon) ** 2;
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(h)));
}

/** The shortest round trip that light in a straight fibre could make over `km`, in milliseconds. */
export const lightRttMs = (km: number): number => km / FIBRE_KM_PER_RTT_MS;
