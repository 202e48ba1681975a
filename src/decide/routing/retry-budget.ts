/**
 * How many retries a plane may make, so that retries never turn one region's trouble into everybody's.
 *
 * Every request earns a fraction of a retry, and each retry that a region had to work for costs a whole one. What was earned
 * fades within the window. The reserve lets a quiet plane survive a crash: then every request in flight fails at once.
 * A try that sent nothing costs nothing: no region did any work for it.
 */
export interface BudgetPolicy {
  /** Retries earned per request. */
  readonly perRequest: number;
  /** Retries that are there without any request earning them. */
  readonly reserve: number;
  /** What was earned halves in this time. */
  readonly halfLifeMs: number;
}

export const BUDGET_POLICY: BudgetPolicy = { perRequest: 0.2, reserve: 100, halfLifeMs: 10_000 };

export interface RetryBudget {
  /** May be negative: part of the reserve was spent. Both fade to zero. */
  readonly earned: number;
  readonly atMs: number;
}

export const newRetryBudget = (nowMs: number): RetryBudget => ({ earned: 0, atMs: nowMs });

export function earn(budget: RetryBudget, nowMs: number, policy: BudgetPolicy = BUDGET_POLICY): RetryBudget {
  return { earned: faded(budget, nowMs, policy) + policy.perRequest, atMs: nowMs };
}

/** Returns null when the budget is spent: do not retry. */
export function spend(budget: RetryBudget, nowMs: number, policy: BudgetPolicy = BUDGET_POLICY): RetryBudget | null {
  const left = faded(budget, nowMs, policy) - 1;
  return left + policy.reserve < 0 ? null : { earned: left, atMs: nowMs };
}

function faded(budget: RetryBudget, nowMs: number, policy: BudgetPolicy): number {
  return budget.earned * 0.5 ** ((nowMs - budget.atMs) / policy.halfLifeMs);
}
