// A set of those that wait: an AbortSignal looks through all its listeners for each that is added.
const n = Number(process.argv[2]);
const waiting = new Set();
let ended = 0;

const sleep = (ms) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    waiting.add((reason) => {
      clearTimeout(timer);
      reject(reason);
    });
  });

async function wait() {
  try {
    await sleep(3600e3);
  } finally {
    ended++;
  }
}

async function main() {
  const all = [];
  for (let i = 0; i < n; i++) all.push(wait());
  const began = performance.now();
  for (const cancel of waiting) cancel({ kind: "cancelled" });
  await Promise.allSettled(all);
  console.log(performance.now() - began, ended);
}
main();
