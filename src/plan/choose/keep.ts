import { cents, compareChoices, millionths, type Choice, type PlanProblem } from '../problem.ts';

/** The best choices so far and the Pareto front, and whether a set that is not evaluated yet could still matter. */
export class Keeper {
  private readonly problem: PlanProblem;
  private readonly most: number;
  private readonly hasFront: boolean;
  private best: Choice[] = [];
  private front: Choice[] = [];

  /** Without a front of its own the Pareto front is that of the list: far fewer sets matter then. */
  constructor(problem: PlanProblem, most: number, hasFront: boolean) {
    this.hasFront = hasFront;
    this.problem = problem;
    this.most = most;
  }

  /** Could a choice that costs at least `leastUsd` get a place, in the list or on the front? */
  couldMatter(leastUsd: number, coverage: number, worst: number): boolean {
    if (this.couldPlace(leastUsd, coverage)) return true;
    return this.hasFront && !this.isDominated(cents(leastUsd), coverage, worst);
  }

  private couldPlace(leastUsd: number, coverage: number): boolean {
    const last = this.best.at(-1);
    if (last === undefined || this.best.length < this.most) return true;
    if (this.problem.goal === 'cost') return cents(leastUsd) <= cents(last.costUsd);
    const points = (share: number) => Math.floor(millionths(share) / 1e4);
    const ahead = points(coverage) - points(last.coverage);
    return ahead > 0 || (ahead === 0 && cents(leastUsd) <= cents(last.costUsd));
  }

  private isDominated(leastCents: number, coverage: number, worst: number): boolean {
    const { front } = this;
    for (let i = 0; i < front.length; i++) {
      const point = front[i] as Choice;
      if (
        cents(point.costUsd) <= leastCents &&
        millionths(point.coverage) >= millionths(coverage) &&
        millionths(point.worst) >= millionths(worst)
      ) {
        // What dominated once will again: asked first the next time.
        if (i > 0) [front[0], front[i]] = [point, front[0] as Choice];
        return true;
      }
    }
    return false;
  }

  offer(choice: Choice): void {
    const { problem, best, most } = this;
    if (best.length < most || compareChoices(problem, choice, best[best.length - 1] as Choice) < 0) {
      const at = best.findIndex((other) => compareChoices(problem, choice, other) < 0);
      best.splice(at < 0 ? best.length : at, 0, choice);
      if (best.length > most) best.pop();
    }
    if (this.isDominated(cents(choice.costUsd), choice.coverage, choice.worst)) return;
    this.front = this.front.filter((point) => !dominates(choice, point));
    this.front.push(choice);
  }

  top = (): readonly Choice[] => this.best;
  pareto = (): readonly Choice[] =>
    this.front.toSorted((a, b) => cents(a.costUsd) - cents(b.costUsd) || compareChoices(this.problem, a, b));
}

/** At least as good in all three: of equals one stays. */
const dominates = (a: Choice, b: Choice): boolean =>
  cents(a.costUsd) <= cents(b.costUsd) &&
  millionths(a.coverage) >= millionths(b.coverage) &&
  millionths(a.worst) >= millionths(b.worst);
