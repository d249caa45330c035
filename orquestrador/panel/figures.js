// What the page has seen of the cluster while it was open: samples for the charts, and changes of office.

const KEEP_MS = 5 * 60 * 1000;
const KEEP_CHANGES = 50;

/** Figures by name with labels, of the OpenMetrics text. */
export function parse(text) {
  const figures = new Map();
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) continue;
    const end = line.lastIndexOf(' ');
    if (end > 0) figures.set(line.slice(0, end), Number(line.slice(end + 1)));
  }
  return figures;
}

/** Upper bounds and counts of a histogram, in order. */
function buckets(figures, name) {
  const found = [];
  for (const [key, count] of figures) {
    const bound = key.startsWith(`${name}_bucket{`) && /le="([^"]+)"/.exec(key)?.[1];
    if (bound) found.push([bound === '+Inf' ? Infinity : Number(bound), count]);
  }
  return found.sort((a, b) => a[0] - b[0]);
}

/** Milliseconds that this part of what came between two looks stayed below. */
function quantile(before, after, part) {
  const grown = after.map(([bound, count], nth) => [bound, count - (before[nth]?.[1] ?? 0)]);
  const all = grown.at(-1)?.[1] ?? 0;
  if (all <= 0 || grown.some(([, count]) => count < 0)) return null;
  let lower = 0;
  let below = 0;
  for (const [bound, count] of grown) {
    if (count >= part * all) {
      if (bound === Infinity) return lower * 1000;
      const share = count > below ? (part * all - below) / (count - below) : 1;
      return (lower + (bound - lower) * share) * 1000;
    }
    [lower, below] = [bound, count];
  }
  return lower * 1000;
}

export const samples = [];
/** Newest last. */
export const changes = [];

/** Addresses of orchestrators by their ids. */
export const places = new Map();

/** Takes one look into the record. */
export function note(cluster, figures, now) {
  const node = cluster.nodes.find((known) => known.answering);
  cluster.nodes.filter((known) => known.node_id).forEach((known) => places.set(known.node_id, known.address));
  const last = samples.at(-1);
  if (last && last.node !== node.node_id) {
    changes.push({ at: now, since: last.at, from: last.address, to: node.address, epoch: cluster.epoch });
    changes.splice(0, changes.length - KEEP_CHANGES);
  }
  const commits = buckets(figures, 'mutirao_commit_seconds');
  const isSame = last && last.node === node.node_id;
  const finished = figures.get('mutirao_tasks_finished_total') ?? 0;
  const seconds = last ? (now - last.at) / 1000 : 0;
  samples.push({
    at: now,
    node: node.node_id,
    address: node.address,
    finished,
    commits,
    rate: last && seconds > 0 ? Math.max(0, finished - last.finished) / seconds : null,
    p50: isSame ? quantile(last.commits, commits, 0.5) : null,
    p99: isSame ? quantile(last.commits, commits, 0.99) : null,
    queued: cluster.tasks.QUEUED ?? 0,
    running: cluster.tasks.RUNNING ?? 0,
    lag: figures.get('mutirao_replication_lag_entries') ?? null,
  });
  while (samples[0].at < now - KEEP_MS) samples.shift();
}
