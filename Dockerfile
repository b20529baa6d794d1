# captioner with its models. Runs the web page by default; also `serve` and `caption`. See docs/serve.md.
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml setup.py README.md LICENSE ./
COPY captioner captioner
COPY app app
# PyTorch for CPUs only: the default packages for Linux include 4 GB of GPU libraries.
RUN python -m venv /opt/captioner \
    && /opt/captioner/bin/pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu '.[app,serve]'

FROM python:3.13-slim
RUN useradd --uid 1000 --create-home captioner
COPY --from=build /opt/captioner /opt/captioner
ENV PATH=/opt/captioner/bin:$PATH
# A home directory that every user can write to, for example with `docker run --user`.
ENV HOME=/tmp
USER 1000
WORKDIR /photos
# 8501: the web page; 8000: `captioner serve`.
EXPOSE 8501 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["python", "-m", "captioner.serve.health"]
ENTRYPOINT ["captioner"]
CMD ["app", "--host", "0.0.0.0"]
