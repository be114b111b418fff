# The model server: stateless, no database driver. Build from the repository's root:
#   docker build -f deploy/docker/inference.Dockerfile -t evershelf/inference .
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
COPY requirements/inference.txt /build/requirements.txt
RUN python3 -m venv --without-pip /opt/evershelf/venv \
    && python3 -m pip --python /opt/evershelf/venv/bin/python install --no-cache-dir --no-deps --require-hashes -r /build/requirements.txt
COPY src/evershelf /opt/evershelf/src/evershelf
COPY deploy/docker/healthy.py /opt/evershelf/healthy.py
RUN python3 -m compileall -q -j 0 /opt/evershelf/src && mkdir -p /var/lib/evershelf/inference /var/lib/evershelf/registry

FROM ${PYTHON_IMAGE}
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="evershelf-inference" \
      org.opencontainers.image.description="Evershelf's model server: a history in, ranked items with evidence out." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/evershelf/venv /opt/evershelf/venv
COPY --from=build /opt/evershelf/healthy.py /opt/evershelf/healthy.py
COPY --from=build /opt/evershelf/src /opt/evershelf/src
COPY --from=build --chown=10001:10001 /var/lib/evershelf /var/lib/evershelf
# Compiled loops depend on the processor, so they are kept beside the models and not in the image.
ENV PATH=/opt/evershelf/venv/bin:$PATH \
    PYTHONPATH=/opt/evershelf/src \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/var/lib/evershelf/inference/compiled \
    EVERSHELF_INFERENCE_HOST=0.0.0.0 \
    EVERSHELF_INFERENCE_PORT=8081 \
    EVERSHELF_INFERENCE_CACHE_DIR=/var/lib/evershelf/inference/models \
    EVERSHELF_REGISTRY=/var/lib/evershelf/registry
USER 10001:10001
WORKDIR /var/lib/evershelf
VOLUME ["/var/lib/evershelf/inference"]
EXPOSE 8081
STOPSIGNAL SIGTERM
# Live, not ready: without a model it waits for one, and gateways answer from the baseline.
HEALTHCHECK --interval=5s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-I", "-S", "/opt/evershelf/healthy.py", "8081", "/livez"]
CMD ["python", "-m", "evershelf.inference"]
