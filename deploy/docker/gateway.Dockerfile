# The public API: no numpy, no model library, no compiler. Build from the repository's root:
#   docker build -f deploy/docker/gateway.Dockerfile -t evershelf/gateway .
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
COPY requirements/gateway.txt /build/requirements.txt
RUN python3 -m venv --without-pip /opt/evershelf/venv \
    && python3 -m pip --python /opt/evershelf/venv/bin/python install --no-cache-dir --no-deps --require-hashes -r /build/requirements.txt
COPY src/evershelf /opt/evershelf/src/evershelf
COPY deploy/docker/healthy.py /opt/evershelf/healthy.py
# The root file system is read-only later: what Python would compile at start is compiled here.
RUN python3 -m compileall -q -j 0 /opt/evershelf/src && mkdir -p /var/lib/evershelf/gateway /var/lib/evershelf/registry

FROM ${PYTHON_IMAGE}
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="evershelf-gateway" \
      org.opencontainers.image.description="Evershelf's public API: every valid request gets a list in time." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/evershelf/venv /opt/evershelf/venv
COPY --from=build /opt/evershelf/healthy.py /opt/evershelf/healthy.py
COPY --from=build /opt/evershelf/src /opt/evershelf/src
COPY --from=build --chown=10001:10001 /var/lib/evershelf /var/lib/evershelf
ENV PATH=/opt/evershelf/venv/bin:$PATH \
    PYTHONPATH=/opt/evershelf/src \
    PYTHONUNBUFFERED=1 \
    EVERSHELF_GATEWAY_HOST=0.0.0.0 \
    EVERSHELF_GATEWAY_PORT=8080 \
    EVERSHELF_GATEWAY_DATA_DIR=/var/lib/evershelf/gateway \
    EVERSHELF_REGISTRY=/var/lib/evershelf/registry
USER 10001:10001
WORKDIR /var/lib/evershelf
VOLUME ["/var/lib/evershelf/gateway"]
EXPOSE 8080
STOPSIGNAL SIGTERM
# Live, not ready: a gateway without a snapshot must not be killed. Balancers ask /readyz.
HEALTHCHECK --interval=5s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-I", "-S", "/opt/evershelf/healthy.py", "8080", "/livez"]
CMD ["python", "-m", "evershelf.gateway"]
