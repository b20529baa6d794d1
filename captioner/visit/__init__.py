"""A visit to the web page, without the page: photos with their captions and edits, waiting in line, pictures of
attention, exports.
"""
