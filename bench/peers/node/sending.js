// E-mails sent by a BullMQ worker, one job each: `node sending.js REDIS PROVIDER CONCURRENCY JOBS`. The jobs wait
// already; what is printed is how many seconds it took to complete them.

import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";

const [redis, provider, concurrency, jobs] = process.argv.slice(2);
const connection = new Redis(redis, { maxRetriesPerRequest: null });
const queue = new Queue("emails", { connection });
const email = { to: ["a@example.com"], subject: "s", text: "t", from: "b@example.com" };

async function send({ data }) {
  const answer = await fetch(`${provider}/emails`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(data),
  });
  if (!answer.ok) throw new Error(`the provider answered ${answer.status}`);
  await answer.json();
}

const waiting = Array.from({ length: Number(jobs) }, () => ({
  name: "email",
  data: email,
  opts: { removeOnComplete: true, attempts: 12, backoff: { type: "exponential", delay: 5000 } },
}));
await queue.addBulk(waiting);

const begun = performance.now();
let left = waiting.length;
const worker = new Worker("emails", send, { connection, concurrency: Number(concurrency) });
worker.on("failed", (_job, error) => {
  console.error(error.message);
  process.exit(1);
});
worker.on("completed", () => {
  left -= 1;
  if (left > 0) return;
  console.log((performance.now() - begun) / 1000);
  process.exit(0);
});
