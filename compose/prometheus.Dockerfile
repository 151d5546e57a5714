# Prometheus from Debian's package, where no registry has the official image: PROMETHEUS_IMAGE names
# what this builds.
ARG BASE_IMAGE=debian:trixie-slim
# hadolint ignore=DL3006
FROM ${BASE_IMAGE}
# hadolint ignore=DL3008
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus \
    && rm -rf /var/lib/apt/lists/* /var/lib/prometheus \
    && install -d -o nobody -g nogroup /prometheus
USER 65534:65534
HEALTHCHECK --interval=5s --timeout=4s --start-period=20s --retries=3 CMD ["promtool", "check", "ready"]
ENTRYPOINT ["prometheus"]
