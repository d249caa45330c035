// Asks the principal, whoever that is. The page knows both orchestrators; when the one that it asks does not answer, or is not
// the principal, it asks all of them who is, and goes on there.

const ANSWER_MS = 4000;
const KEEP_TRYING_MS = 30000;
const PAUSE_MS = 300;
const KEPT = 'mutirao-credentials';
/** Another orchestrator, or the same a little later, may say something else. */
const PASSING = ['NOT_PRIMARY', 'UNAVAILABLE', 'NETWORK', 'OVERLOADED'];

/** Why a request has no answer; `code` is one of the platform's, or NETWORK. */
export class Failure extends Error {
  constructor({ code, message, fields, principal, status }) {
    super(message ?? code);
    Object.assign(this, { code, fields, principal, status });
  }
  get isPassing() {
    return PASSING.includes(this.code);
  }
}

const isLoopback = (name) => ['localhost', '127.0.0.1', '[::1]'].includes(name);

/** The address as this page calls it: nothing for where it came from. */
function base(address) {
  const [there, here] = [new URL(address), window.location];
  const isHere = there.port === here.port && there.protocol === here.protocol
    && (there.hostname === here.hostname || (isLoopback(there.hostname) && isLoopback(here.hostname)));
  return isHere ? '' : there.origin;
}

const bases = new Set(['']);
let current = '';
let credentials = JSON.parse(sessionStorage.getItem(KEPT) ?? 'null');

export const user = () => credentials?.user;
export const isKnown = () => credentials !== null;
/** Where the principal is, as far as is known. */
export const whereNow = () => current || window.location.origin;

export function enter(given) {
  credentials = given;
  sessionStorage.setItem(KEPT, JSON.stringify(given));
}

export function leave() {
  credentials = null;
  sessionStorage.removeItem(KEPT);
}

/** `as`: in whose place, for administrators and viewers; nobody's where it is the user's own. */
function headers(method, as) {
  const all = { 'mutirao-user': credentials?.user ?? '', 'mutirao-token': credentials?.token ?? '' };
  if (as && as !== credentials?.user) all['mutirao-as'] = as;
  if (method === 'POST') all['content-type'] = 'application/json';
  return all;
}

async function send(from, path, { method = 'GET', body, signal, as, within = ANSWER_MS } = {}) {
  const limit = AbortSignal.timeout(within);
  let response;
  try {
    response = await fetch(`${from}/panel/api/${path}`, {
      method,
      headers: headers(method, as),
      body: body && JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      cache: 'no-store',
      credentials: 'omit',
    });
  } catch (error) {
    throw new Failure({ code: signal?.aborted ? 'ABORTED' : 'NETWORK', message: String(error) });
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => ({ code: 'NETWORK', message: `HTTP ${response.status}` }));
  throw new Failure({ ...told, status: response.status });
}

function learn(cluster) {
  const addresses = [cluster.principal, ...cluster.nodes.map((node) => node.address)];
  addresses.filter(Boolean).forEach((address) => bases.add(base(address)));
}

const isPrincipal = (cluster) => cluster.nodes.some((node) => node.answering && node.role === 'PRINCIPAL');

async function askOne(from) {
  try {
    const cluster = await (await send(from, 'cluster')).json();
    learn(cluster);
    return { from, cluster };
  } catch (failure) {
    return { from, failure };
  }
}

/** Asks everybody; gives what the principal says, or throws. */
export async function find() {
  const asked = [...bases].map(askOne);
  const all = Promise.all(asked);
  // A principal that was stopped answers nothing, so nobody waits for it; one that has lost the office does not call itself so.
  const first = new Promise((found) => {
    asked.forEach((one) => one.then((answer) => answer.cluster && isPrincipal(answer.cluster) && found(answer)));
    all.then(() => found(null));
  });
  const principal = await first;
  if (principal) {
    current = principal.from;
    return principal.cluster;
  }
  const answers = await all;
  // Somebody has named one that was not asked.
  if (bases.size > asked.length) return find();
  const said = answers.map(({ failure }) => failure).filter(Boolean);
  const refusal = said.find((failure) => failure.status === 401 || failure.status === 403);
  if (refusal && !answers.some(({ cluster }) => cluster)) throw refusal;
  const someone = answers.find(({ cluster }) => cluster);
  if (someone) throw new Failure({ code: 'NOT_PRIMARY', message: '', principal: someone.cluster.principal });
  throw said[0] ?? new Failure({ code: 'NETWORK' });
}

/** The cluster as the principal sees it. */
export async function cluster() {
  try {
    const told = await (await send(current, 'cluster')).json();
    learn(told);
    if (isPrincipal(told)) return told;
  } catch (failure) {
    if (!failure.isPassing) throw failure;
  }
  return find();
}

/** One try, where the principal was last. */
export const ask = async (path, options) => (await send(current, path, options)).json();
export const text = async (path) => (await send(current, path)).text();
export const stream = (path, { signal, as }) => fetch(`${current}/panel/api/${path}`, {
  headers: headers('GET', as), signal, cache: 'no-store', credentials: 'omit',
});

/** What changes something: tried until somebody answers. Every request names its task, so a repetition does nothing more. */
export async function act(path, body, as) {
  const until = Date.now() + KEEP_TRYING_MS;
  for (;;) {
    try {
      return await ask(path, { method: 'POST', body, as });
    } catch (failure) {
      if (!failure.isPassing || Date.now() > until) throw failure;
      await new Promise((done) => setTimeout(done, PAUSE_MS));
      await find().catch((other) => { if (!other.isPassing) throw other; });
    }
  }
}
