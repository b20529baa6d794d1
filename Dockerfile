# captioner with its models: the web page by default, `serve` and `caption` as commands. See docs/serve.md.
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml setup.py README.md LICENSE ./
COPY captioner captioner
COPY app app
# PyTorch for CPUs: its default packages for Linux bring 4 GB for GPUs along.
RUN python -m venv /opt/captioner \
    && /opt/captioner/bin/pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu '.[app,serve]'

FROM python:3.13-slim
RUN useradd --uid 1000 --create-home captioner
COPY --from=build /opt/captioner /opt/captioner
ENV PATH=/opt/captioner/bin:$PATH
# Whoever runs it, such as with --user to write files as oneself, has a home that can be written.
ENV HOME=/tmp
USER 1000
WORKDIR /photos
# The page's port, and that of `serve --host 0.0.0.0`.
EXPOSE 8501 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["python", "-m", "captioner.serve.health"]
ENTRYPOINT ["captioner"]
CMD ["app", "--host", "0.0.0.0"]
