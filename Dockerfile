# The broker, its command line and the sandbox, on a base without a shell.
#   docker build -t token-broker --build-arg VERSION=… --build-arg REVISION=… --build-arg CREATED=… .
# It writes to no file and needs none of root's rights:
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges …
# Something else of it: docker run … token-broker dist/apps/cli/src/main.js --help

FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --no-audit --no-fund
# Types and source maps, a third of all, are for those who develop.
RUN find node_modules -name '*.map' -delete -o -name '*.d.ts' -delete -o -name '*.d.[cm]ts' -delete

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY nest-cli.json tsconfig.json ./
COPY scripts/build-dashboard.mjs scripts/build-docs.mjs scripts/bundle-broker.mjs scripts/docs-page.css scripts/docs-page.mjs scripts/
COPY docs/openapi.json docs/
COPY apps apps
COPY libs libs
RUN npm run build
RUN find dist -name '*.map' -delete

FROM gcr.io/distroless/nodejs24-debian12:nonroot
# What changes least comes first: a release that has the same packages brings one small layer. All belongs to root;
# WORKDIR would give the folder to the user.
COPY --from=packages /app/node_modules /app/node_modules
COPY --from=build /app/package.json /app/
COPY --from=build /app/dist /app/dist
WORKDIR /app
ENV NODE_ENV=production
# The base calls it nonroot. By number, so that Kubernetes can tell that it is not root.
USER 65532:65532
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["/nodejs/bin/node", "dist/apps/broker/src/healthcheck.js"]
ENTRYPOINT ["/nodejs/bin/node"]
CMD ["dist/apps/broker/src/main.js"]
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="Token broker" \
  org.opencontainers.image.description="Keeps MobilePay integrator credentials in a sealed vault and hands out access tokens" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.version="$VERSION" \
  org.opencontainers.image.revision="$REVISION" \
  org.opencontainers.image.created="$CREATED"
