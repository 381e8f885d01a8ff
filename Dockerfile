# The orchestrator, as it runs on the VPS. Node runs the TypeScript by itself, so there is no build step.

FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
# All workspaces' manifests, since the lock file names them all; only the orchestrator's packages are installed.
COPY package.json package-lock.json ./
COPY protocol/package.json protocol/
COPY orchestrator/package.json orchestrator/
COPY edge-worker/package.json edge-worker/
COPY test/package.json test/
# As locked. Not `npm ci`, which also wants every platform's variant of every development tool in the lock file.
# No install scripts: better-sqlite3 brings its binary inside the package.
RUN npm install --workspace @clawdbot/orchestrator --include-workspace-root=false \
      --omit=dev --ignore-scripts --no-audit --no-fund \
 && rm -rf edge-worker test

FROM node:24-bookworm-slim
ENV NODE_ENV=production \
    DATA_DIR=/var/lib/clawdbot \
    KEY_FILE=/var/lib/clawdbot/key.pem \
    PORT=3000
WORKDIR /app
COPY --from=dependencies /app ./
COPY protocol/src protocol/src
COPY orchestrator/src orchestrator/src
COPY orchestrator/bin orchestrator/bin
# What "clawctl deploy --template" bundles.
COPY orchestrator/templates orchestrator/templates
RUN install -d -o 1000 -g 1000 -m 700 /var/lib/clawdbot \
 && ln -s /app/orchestrator/bin/clawctl.mjs /usr/local/bin/clawctl
# "node" in the base image, by number, so that a read-only or user-remapped runtime need not look it up.
USER 1000:1000
VOLUME /var/lib/clawdbot
# No EXPOSE: the HTTP API listens on loopback only. Whether the process lives, not whether the channel is open
# (that is /ready): restarting it would not bring the edge back.
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/health').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Keeps V8's young generation small: it would grow to 128 MiB while much passes through, at no gain in speed.
CMD ["node", "--max-semi-space-size=16", "orchestrator/src/main.ts"]
