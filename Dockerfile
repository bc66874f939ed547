# syntax=docker/dockerfile:1
FROM python:3.13-slim AS build
WORKDIR /build
COPY requirements.lock .
# Wheels only, each by its hash: nothing is compiled and nothing else is fetched.
RUN python -m venv --without-pip /opt/venv \
 && python -m pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
      --only-binary=:all: --require-hashes -r requirements.lock \
 && /opt/venv/bin/python -m compileall -q /opt/venv/lib
COPY --chmod=0755 <<'SCRIPT' /opt/venv/bin/baton
#!/opt/venv/bin/python
from app.cli import main

main()
SCRIPT
# The tree keeps its shape: app/db/migrate.py looks for alembic/, app/seed.py for examples/, both beside app/.
WORKDIR /srv/baton
COPY app app
COPY alembic alembic
COPY examples/playbook.yaml examples/calendar.yaml examples/
COPY LICENSE .
RUN /opt/venv/bin/python -m compileall -q app

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin baton
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/baton /srv/baton
# PYTHONTZPATH is empty so that the tzdata of the lock file counts business time, not the machine's.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/srv/baton \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONTZPATH="" \
    BATON_HOST=0.0.0.0
WORKDIR /srv/baton
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# For `baton api`; a container that runs another command switches it off.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:%s/health/ready' % os.environ.get('BATON_PORT', '8000'), timeout=2)"]
ENTRYPOINT ["baton"]
CMD ["api"]
