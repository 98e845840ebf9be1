# The hub's image: web node, migration, relay and worker are one image with different commands.
# The dashboard's image adds rq-dashboard, which a node must not carry.

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/hub
ENV PATH=/opt/hub/bin:$PATH
WORKDIR /build
# The dependencies first: they change less often than the code and stay in the build cache.
COPY requirements.lock .
RUN pip install --require-hashes --only-binary :all: -r requirements.lock
COPY . .
RUN pip install --no-deps .

FROM python:3.13-slim AS base
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin hub
ENV PATH=/opt/hub/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /opt/hub
USER 10001

FROM base AS dashboard
COPY --from=build /opt/hub /opt/hub
EXPOSE 9181
CMD ["rq-dashboard"]

FROM base AS hub
COPY --from=build /opt/hub /opt/hub
EXPOSE 8000
STOPSIGNAL SIGTERM
CMD ["hub", "serve"]
