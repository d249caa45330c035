// Every attempt of the tasks of a page. The last one is told with its task; those before it are read from the task's history,
// each time that there is one more, and never many at once.

import * as net from './net.js';

/** Histories that one look reads. */
const READS = 4;
const HISTORY_MS = 60000;
/** How the steps of a history end an attempt. */
const ENDS = {
  LOST: 'LOST', TASK_LOST: 'LOST', RETURNED: 'RETURNED', RETRIED: 'FAILED', FAILED: 'FAILED', EXPIRED: 'FAILED',
  SUCCEEDED: 'SUCCEEDED', CANCELLED: 'CANCELLED',
};

/** Attempts that are over and not told with the task. */
const earlier = (task) => (task.started_ms && task.worker_id ? task.attempt - 1 : task.attempt);

function ofSteps(task, steps) {
  const all = [];
  for (const { what, at_ms: at, attempt, worker_id: worker } of steps) {
    const open = all.at(-1)?.to === 0 ? all.at(-1) : null;
    if (what === 'ASSIGNED') all.push({ task, attempt, worker, state: 'RUNNING', from: at, to: 0 });
    else if (open && ENDS[what]) Object.assign(open, { state: ENDS[what], to: at });
  }
  return all.filter((one) => one.to);
}

const last = (task) => ({
  task, attempt: task.attempt, worker: task.worker_id, state: task.state, from: task.started_ms, to: task.finished_ms,
});

/** Remembers what was read. */
export function attempts() {
  let known = new Map();
  let reading = null;
  const sign = (task) => `${task.task_id} ${earlier(task)}`;

  async function read(tasks) {
    await Promise.all(tasks.map(async (task) => {
      const { steps } = await net.ask(`tasks/${task.task_id}/steps`, { within: HISTORY_MS, as: task.owner });
      known.set(sign(task), ofSteps(task, steps));
    }));
  }

  /** What is known of these tasks; of how many something is still to be read. */
  function of(tasks) {
    known = new Map([...known].filter(([name]) => tasks.some((task) => sign(task) === name)));
    const missing = tasks.filter((task) => earlier(task) > 0 && !known.has(sign(task)));
    // What was not told is asked for again with the next look.
    reading ??= read(missing.slice(0, READS)).catch(() => {}).finally(() => { reading = null; });
    const before = tasks.flatMap((task) => (known.get(sign(task)) ?? []).filter((one) => one.attempt <= earlier(task)));
    const present = tasks.filter((task) => task.worker_id && task.started_ms).map(last);
    return { all: [...before, ...present], missing: missing.length };
  }
  return { of };
}
