// Socket.IO with its Redis adapter: a room per user.

import { createAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";

import { publishingServer } from "./publishing.js";

const redis = new Redis(process.env.REDIS_URL);
const server = publishingServer((user, message) => io.to(user).emit("notification", message));
const io = new Server(server, {
  adapter: createAdapter(redis, redis.duplicate()),
  transports: ["websocket"],
  perMessageDeflate: false,
  pingInterval: 300_000,
  pingTimeout: 300_000,
});

io.on("connection", (socket) => socket.join(socket.handshake.query.user));
server.listen(process.env.PORT, "127.0.0.1");
