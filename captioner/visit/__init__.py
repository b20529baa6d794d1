"""The state and logic behind the web page, independent of the UI: a visitor's photos, captions and edits, the work
queue, explanations, exports, and scoring.
"""
