// Express, BullMQ, Postgres, Redis pub/sub and server-sent events: the stack that the hub replaces, as small as it can
// be. An event is accepted once the queue has it; a worker, JOBS_AT_ONCE at a time, stores the notification with its
// user's unread count, in one prepared statement, and tells the process that listens, which here is the same one.

import { Queue, Worker } from "bullmq";
import express from "express";
import { Redis } from "ioredis";
import pg from "pg";

import { openAudience } from "./audience.js";

const database = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
const connection = new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: null });
const queue = new Queue("events", { connection });
const audience = openAudience((response, message) => response.write(`data: ${message}\n\n`));
const app = express();

await database.query(
  "create table events (event_id text primary key, user_id text not null, type text not null, payload json not null," +
    " created_at timestamptz not null default now())",
);
await database.query("create table counts (user_id text primary key, unread integer not null)");

const store =
  "with stored as (insert into events (event_id, user_id, type, payload) values ($1, $2, $3, $4)" +
  " on conflict do nothing returning user_id)" +
  " insert into counts as c (user_id, unread) select user_id, 1 from stored" +
  " on conflict (user_id) do update set unread = c.unread + 1 returning unread";

app.post("/events", express.json(), async (request, response) => {
  await queue.add("event", request.body, { removeOnComplete: true, removeOnFail: true });
  response.status(202).end();
});

app.get("/stream", (request, response) => {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  response.flushHeaders();
  audience.join(request.query.user, response);
  request.on("close", () => audience.leave(request.query.user, response));
});

async function deliver({ data: { eventId, eventType, userId, payload } }) {
  const { rows } = await database.query({ name: "store", text: store, values: [eventId, userId, eventType, payload] });
  for (const { unread } of rows) {
    await audience.publish(userId, JSON.stringify({ eventId, eventType, payload, unread }));
  }
}

new Worker("events", deliver, { connection, concurrency: Number(process.env.JOBS_AT_ONCE) });
app.listen(process.env.PORT, "127.0.0.1");
