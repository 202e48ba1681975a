/** Branded ids: a node is not a place. Made only by the functions below. */
declare const brand: unique symbol;
type Brand<T, B extends string> = T & { readonly [brand]: B };

/** A region or a site: a place that a link can reach. `aws:eu-west-1`, `azure:westeurope`. */
export type PlaceId = Brand<string, 'PlaceId'>;
/** One PostgreSQL server, or one observer on a site: `aws:eu-west-1/n1`, `aws:eu-west-1/witness`. */
export type NodeId = Brand<string, 'NodeId'>;

export const placeId = (text: string): PlaceId => text as PlaceId;
export const nodeId = (place: PlaceId, name: string): NodeId => `${place}/${name}` as NodeId;
/** For ids that come back from a record that this program wrote. */
export const parseNodeId = (text: string): NodeId => text as NodeId;
const places = new Map<NodeId, PlaceId>();

/** The same string for the same node: asked at every look, and compared. */
export function placeOf(node: NodeId): PlaceId {
  let place = places.get(node);
  if (place === undefined) places.set(node, (place = node.slice(0, node.lastIndexOf('/')) as PlaceId));
  return place;
}

/** For file names, slot names and PostgreSQL's application_name: `aws:eu-west-1/n1` becomes `aws-eu-west-1-n1`. */
export const slug = (id: string): string => id.replace(/[^A-Za-z0-9]+/g, '-');
