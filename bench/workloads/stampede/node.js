// What one writes by hand: a map of values, and one of promises.
const [, , n, , atOnce] = process.argv;
const values = new Map(), loading = new Map();
let loads = 0;

async function load() {
  const mine = ++loads;
  await new Promise((resolve) => setTimeout(resolve, 1));
  return mine;
}

function remember(key) {
  const entry = values.get(key);
  if (entry && entry.ends > Date.now()) return entry.value;
  let flight = loading.get(key);
  if (!flight) {
    flight = load().then((value) => {
      values.set(key, { value, ends: Date.now() + 3600e3 });
      return value;
    }).finally(() => loading.delete(key));
    loading.set(key, flight);
  }
  return flight;
}

async function main() {
  const began = performance.now();
  let sum = 0;
  async function ask(key) {
    const value = await remember(key);
    sum += value;
  }
  for (let first = 1; first <= Number(n); first += Number(atOnce)) {
    const tasks = [];
    for (let i = 0; i < Number(atOnce); i++) tasks.push(ask("key:" + first));
    await Promise.all(tasks);
  }
  console.log(performance.now() - began, sum);
}
main();
