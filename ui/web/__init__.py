"""The web studio: a FastAPI application around one editor, Gradio's page and endpoints."""
