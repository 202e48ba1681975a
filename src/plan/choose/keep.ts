import { cents, compareChoices, millionths, type Choice, type PlanProblem } from '../problem.ts';

/** Cells of the grid in each direction: a fifth of a percentage point. */
const CELLS = 500;
/** A front of so many points is looked through as fast as the grid is made. */
const SMALL_FRONT = 24;

/** A choice of the front, as it is compared. */
interface Point {
  readonly choice: Choice;
  readonly cents: number;
  readonly coverage: number;
  readonly worst: number;
}

/** The best choices so far and the Pareto front, and whether a set that is not evaluated yet could still matter. */
export class Keeper {
  private readonly problem: PlanProblem;
  private readonly most: number;
  private hasFront = false;
  private best: Choice[] = [];
  private front: Point[] = [];
  /** Per cell of coverage and worst: cents of the cheapest point that is in it or in a better one. Null: the front is small. */
  private cheapest: Float64Array | null = null;

  constructor(problem: PlanProblem, most: number) {
    this.problem = problem;
    this.most = most;
  }

  /** From here on a set matters for the Pareto front too. Before, the front is that of the choices offered: far fewer sets matter then. */
  wantFront(): void {
    this.hasFront = true;
  }

  /** Is every choice that costs so much or more without a place, whatever else it is like? */
  isTooDear(leastUsd: number): boolean {
    const last = this.best[this.most - 1];
    return (
      !this.hasFront && last !== undefined && this.problem.goal === 'cost' && cents(leastUsd) > cents(last.costUsd)
    );
  }

  /** Could a choice that costs at least `leastUsd` get a place, in the list or on the front? */
  couldMatter(leastUsd: number, coverage: number, worst: number): boolean {
    if (this.couldPlace(leastUsd, coverage)) return true;
    return this.hasFront && !this.isBeaten(cents(leastUsd), coverage, worst);
  }

  private couldPlace(leastUsd: number, coverage: number): boolean {
    const last = this.best[this.most - 1];
    if (last === undefined) return true;
    if (this.problem.goal === 'cost') return cents(leastUsd) <= cents(last.costUsd);
    const points = (share: number) => Math.floor(millionths(share) / 1e4);
    const ahead = points(coverage) - points(last.coverage);
    return ahead > 0 || (ahead === 0 && cents(leastUsd) <= cents(last.costUsd));
  }

  /** A point of the front is as good in all three, and better in one. */
  private isBeaten(leastCents: number, coverage: number, worst: number): boolean {
    const { cheapest, front } = this;
    if (cheapest !== null) {
      const here = cellOf(coverage) + worstCellOf(worst);
      // No point of this cell or a better one is cheap enough; one of the next is, which is better in both. In between: look at the points.
      if ((cheapest[here] as number) > leastCents) return false;
      if ((cheapest[here + CELLS + 3] as number) <= leastCents) return true;
    }
    const [covered, left] = [millionths(coverage), millionths(worst)];
    for (let i = 0; i < front.length; i++) {
      const point = front[i] as Point;
      if (point.cents > leastCents || point.coverage < covered || point.worst < left) continue;
      if (point.cents === leastCents && point.coverage === covered && point.worst === left) continue;
      // What dominated once will again: asked first the next time.
      if (i > 0) [front[0], front[i]] = [point, front[0] as Point];
      return true;
    }
    return false;
  }

  offer(choice: Choice): void {
    const { problem, best, most } = this;
    // One that was guessed is found again, and all of the list come by again when the front is looked for.
    // A set has one place: that of its best order.
    const regions = choice.regions.join();
    const there = best.findIndex((other) => other.regions.join() === regions);
    const isBest = there < 0 || compareChoices(problem, choice, best[there] as Choice) < 0;
    if (isBest && there >= 0) best.splice(there, 1);
    if (isBest && (best.length < most || compareChoices(problem, choice, best[best.length - 1] as Choice) < 0)) {
      const at = best.findIndex((other) => compareChoices(problem, choice, other) < 0);
      best.splice(at < 0 ? best.length : at, 0, choice);
      if (best.length > most) best.pop();
    }
    const point = pointOf(choice);
    if (this.isBeaten(point.cents, choice.coverage, choice.worst)) return;
    // Of equals the better by name stays: the order of the search must not decide.
    const equal = this.front.find((other) => dominates(other, point));
    if (equal !== undefined && compareChoices(problem, equal.choice, choice) < 0) return;
    this.front = this.front.filter((other) => !dominates(point, other));
    this.front.push(point);
    if (this.cheapest !== null) mark(this.cheapest, point);
    else if (this.front.length > SMALL_FRONT) {
      this.cheapest = new Float64Array((CELLS + 2) * (CELLS + 2)).fill(Infinity);
      for (const known of this.front) mark(this.cheapest, known);
    }
  }

  top = (): readonly Choice[] => this.best;
  pareto = (): readonly Choice[] =>
    this.front
      .map(({ choice }) => choice)
      .toSorted((a, b) => cents(a.costUsd) - cents(b.costUsd) || compareChoices(this.problem, a, b));
}

/** The grid stays ordered: a cell is never dearer than a better one, so a row ends at the first that is cheap enough. */
function mark(cheapest: Float64Array, { choice, cents: usd }: Point): void {
  const worst = worstCellOf(choice.worst);
  for (let row = cellOf(choice.coverage); row >= 0; row -= CELLS + 2) {
    if ((cheapest[row + worst] as number) <= usd) return;
    for (let c = worst; c >= 0 && (cheapest[row + c] as number) > usd; c--) cheapest[row + c] = usd;
  }
}

const cell = (share: number): number => Math.max(0, Math.min(CELLS, Math.floor((millionths(share) * CELLS) / 1e6)));
const worstCellOf = cell;
const cellOf = (coverage: number): number => cell(coverage) * (CELLS + 2);

const pointOf = (choice: Choice): Point => ({
  choice,
  cents: cents(choice.costUsd),
  coverage: millionths(choice.coverage),
  worst: millionths(choice.worst),
});

/** At least as good in all three. */
const dominates = (a: Point, b: Point): boolean => a.cents <= b.cents && a.coverage >= b.coverage && a.worst >= b.worst;
