// What one writes by hand: closures around closures, each a promise.
const n = Number(process.argv[2]);

const timeout = (ms, next) => async (arg) => {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("timeout")), ms);
  });
  try {
    return await Promise.race([next(arg), late]);
  } finally {
    clearTimeout(timer);
  }
};

const retry = (attempts, next) => async (arg) => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await next(arg);
    } catch (err) {
      if (attempt === attempts || !err.retryable) throw err;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 100 * 2 ** attempt));
    }
  }
};

function breaker(next) {
  const good = new Array(10).fill(0), bad = new Array(10).fill(0);
  let at = 0, opensUntil = 0;
  function count(list) {
    const now = Math.floor(performance.now() / 1000);
    for (let i = Math.max(at + 1, now - 9); i <= now; i++) good[i % 10] = bad[i % 10] = 0;
    at = now;
    list[at % 10]++;
  }
  function check() {
    const failed = bad.reduce((a, b) => a + b), calls = failed + good.reduce((a, b) => a + b);
    if (calls >= 20 && failed >= calls / 2) opensUntil = performance.now() + 5000;
  }
  return async (arg) => {
    if (opensUntil > performance.now()) throw new Error("open");
    try {
      const value = await next(arg);
      count(good);
      return value;
    } catch (err) {
      count(bad);
      check();
      throw err;
    }
  };
}

function limiter(rate, burst, next) {
  const gap = 1000 / rate;
  let tat = 0;
  return async (arg) => {
    const now = performance.now();
    tat = Math.max(tat, now) + gap;
    const wait = tat - burst * gap - now;
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    return next(arg);
  };
}

function bulkhead(max, next) {
  const line = [];
  let running = 0;
  return async (arg) => {
    if (running === max) await new Promise((resolve) => line.push(resolve));
    else running++;
    try {
      return await next(arg);
    } finally {
      if (line.length) line.shift()();
      else running--;
    }
  };
}

async function main() {
  const work = async (i) => i % 7;
  const run = timeout(30000, retry(3, breaker(limiter(1e9, 1e6, bulkhead(64, timeout(5000, work))))));
  const began = performance.now();
  let sum = 0;
  for (let i = 1; i <= n; i++) sum += await run(i);
  console.log(performance.now() - began, sum);
}
main();
